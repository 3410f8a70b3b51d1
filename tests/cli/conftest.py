"""Fixtures of the command line's tests."""

from chat_runner import chat_home, run_chat

__all__ = ["chat_home", "run_chat"]
