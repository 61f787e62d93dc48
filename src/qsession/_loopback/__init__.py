"""HTTP and TLS on 127.0.0.1, for programs of this machine and for nobody else.

Knows nothing of what is answered: that is a function of a request and its moment.
"""
