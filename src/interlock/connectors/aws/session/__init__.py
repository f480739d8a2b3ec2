"""One client's connection and its calls: who asks, what is asked, what becomes of it, and the answer."""
