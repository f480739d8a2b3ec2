"""Login with a company's OpenID provider: who may look and tighten. Approvals stay signed by keys and passkeys.

settings (configuration) · calling (HTTP) · provider (discovery, keys, codes) · idtoken (what holds) · groups · login (the service)
"""
