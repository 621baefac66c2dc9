"""Write the JSON Schema of `environments.toml`."""

from orchestrator.environments.json_schema import main

main()
