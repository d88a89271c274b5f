"""What every function's HTTP side shares.

app          the FastAPI application: health, metrics, request ids, limits
problems     errors as RFC 9457 problem details: the one table from error to status
keys         API keys
instants     dates and times in requests
events       the event side of a function
replies      what forecasts and matches look like in answers
caching      ETag and 304
connections  what functions connect to, as their settings say
"""
