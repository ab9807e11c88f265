"""What takes a message from us: the outbox folder, an SMTP server, SendGrid's API."""
