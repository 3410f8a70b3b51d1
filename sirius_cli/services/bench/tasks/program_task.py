"""Tasks whose answers are programs. Imports lm-eval: only a task file names this module."""

from copy import deepcopy
from typing import Any

from lm_eval.api.task import ConfigurableTask


class ProgramTask(ConfigurableTask):
    """A task for models that go on with code and for those that answer in a chat, with a code block in their prose.

    Stop strings that end a plain continuation would cut a chat's answer off in front of its code. The task file's
    ``metadata.chat_prompt``, if any, is how a chat is asked; ``{text}`` in it stands for the plain prompt.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._chat = False
        super().__init__(config={name: value for name, value in config.items() if name != "class"})

    def build_all_requests(self, *, apply_chat_template: bool = False, **options: Any) -> None:
        """As lm-eval's; remembers whether the prompts are for a chat."""
        self._chat = apply_chat_template
        super().build_all_requests(apply_chat_template=apply_chat_template, **options)

    def doc_to_text(self, doc: Any, doc_to_text: Any = None) -> Any:
        """The prompt of ``doc``."""
        text = super().doc_to_text(doc, doc_to_text)
        return self._chat_prompt.replace("{text}", text) if self._chat else text

    def construct_requests(self, doc: Any, ctx: Any, **options: Any) -> Any:
        """One request, without the stop strings in a chat."""
        request = super().construct_requests(doc, ctx, **options)
        if self._chat:
            prompt, settings = request.arguments
            request.arguments = (prompt, {**deepcopy(settings), "until": []})
        return request

    @property
    def _chat_prompt(self) -> str:
        return str(self.config.metadata.get("chat_prompt", "{text}"))
