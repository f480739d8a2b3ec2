"""Policy documents compared: who gains, who loses, what becomes public or foreign, and who locks themselves out."""
