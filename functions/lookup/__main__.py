from matchcast.web.app import serve

serve("functions.lookup.main:app")
