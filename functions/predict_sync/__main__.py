from matchcast.web.app import serve

serve("functions.predict_sync.main:app")
