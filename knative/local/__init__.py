"""The manifests under `knative/base` on one machine.

objects, published, manifests  what is read of them
runtime                        everything put together, started and ended
front, routing                 the port that people use, and which Service answers there
addresses, listeners           in-cluster names and the local ports that stand for them
environment                    what a function is told
messages, ingress, delivery    an event, where it is posted, and what is done until it is delivered
memory, rabbitmq, topology     the two brokers, and what the second declares
processes, activator           functions that are processes, from zero and back
ping, jobs                     PingSources and JobSinks
"""
