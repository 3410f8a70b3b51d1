"""Where the user writes. It grows with its text, remembers what was sent, and never sends by itself."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class Prompt(TextArea):
    """A text area in which Enter sends."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", id="prompt.send", key_display="Enter", priority=True),
        Binding("shift+enter,ctrl+j", "newline", "New line", id="prompt.newline", show=False, priority=True),
        Binding("escape", "app.leave_prompt", "Leave", id="prompt.leave", tooltip="Leave the prompt: letters are keys"),
        Binding("up", "older", "Older prompt", id="prompt.older", show=False),
        Binding("down", "newer", "Newer prompt", id="prompt.newer", show=False),
    ]

    class Sent(Message):
        """The user has sent ``text``."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, tab_behavior="focus", compact=True, placeholder="Ask something")
        self.cursor_blink = False
        self._sent: list[str] = []
        self._at = 0

    def remember(self, text: str) -> None:
        """Put ``text`` at the end of what the arrows bring back."""
        self._sent.append(text)
        self._at = len(self._sent)

    def replace_text(self, text: str) -> None:
        """Show ``text``, the cursor behind it."""
        self.load_text(text)
        self.move_cursor(self.document.end)

    # Bindings with priority run as soon as their key is read; letters typed just before may still be on their way here.

    def action_send(self) -> None:
        self.call_later(self._send)

    def action_newline(self) -> None:
        self.call_later(self.insert, "\n")

    def action_older(self) -> None:
        if self.cursor_location[0] == 0 and self._at > 0:
            self._show(self._at - 1)
        else:
            self.action_cursor_up()

    def action_newer(self) -> None:
        if self.cursor_location[0] == self.document.line_count - 1 and self._at < len(self._sent):
            self._show(self._at + 1)
        else:
            self.action_cursor_down()

    def _send(self) -> None:
        text = self.text.strip("\n")
        if text.strip():
            self.replace_text("")
            self.post_message(self.Sent(text))

    def _show(self, at: int) -> None:
        self._at = at
        self.replace_text(self._sent[at] if at < len(self._sent) else "")
