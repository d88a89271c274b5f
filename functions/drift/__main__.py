from matchcast.web.app import serve

serve("functions.drift.main:app")
