"""What every function's HTTP side shares.

app          the application: health, metrics, request ids, versions, limits on bodies
operations   a method at a path, and how it is carried out: key, limit, parameters, body, answer
answers      what operations answer with; ETag and 304
problems     errors as RFC 9457 problem details: the one table from error to status
keys         API keys and their rate limit
idempotency  Idempotency-Key
openapi      the document of all operations; openapi.json is what is published
instants     dates and times in requests
events       the event side of a function
requests     what forecasts are asked for by
replies      what forecasts and matches look like in answers
accepted     the answer to work that is done later
connections  what functions connect to, as their settings say
"""
