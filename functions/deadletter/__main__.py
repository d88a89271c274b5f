from matchcast.web.app import serve

serve("functions.deadletter.main:app")
