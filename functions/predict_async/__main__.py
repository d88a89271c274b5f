from matchcast.web.app import serve

serve("functions.predict_async.main:app")
