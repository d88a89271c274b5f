from matchcast.web.app import serve

serve("functions.reload.main:app")
