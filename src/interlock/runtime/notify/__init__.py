"""Notifications: messages to people on channels that they configure (docs/notifications.md). Start reading at `post`."""
