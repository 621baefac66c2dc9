"""E-mail as values: who sends it, and a message with its headers. `orchestrator/aws/mail.py` sends it by Amazon SES."""
