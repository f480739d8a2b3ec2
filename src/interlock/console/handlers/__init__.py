"""What each operation of the API does, one module for each subject. `console.routes` lists them."""
