"""What the app answers over HTTP: webhooks, health, metrics, projects."""
