"""The command `init`: new projects."""
