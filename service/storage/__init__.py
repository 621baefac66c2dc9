"""The DynamoDB tables of the service: grants, clients, revocations, and how items are encoded."""
