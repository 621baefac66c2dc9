"""What tests read of a drill: the tables that it has restored, and the verdicts of its checks."""


def tables_of_drills(here) -> list[str]:
    """Return the names of the tables that drills have restored."""
    names = here.cloud.clients("dynamodb").list_tables()["TableNames"]
    return [name for name in names if name.startswith("ib-oauth-drill-")]


def verdicts(recovery) -> dict:
    """Return the verdict of every check of a drill or restore, by the check's name."""
    return {result.check: result.verdict for result in recovery.check_results}
