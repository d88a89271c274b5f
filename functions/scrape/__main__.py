from matchcast.web.app import serve

serve("functions.scrape.main:app")
