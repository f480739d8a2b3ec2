"""About changes: showing, deciding, applying and reverting them, and looking into them."""
