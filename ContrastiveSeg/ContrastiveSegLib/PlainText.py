"""Text of others, such as that of a weight card, shown as it is."""

from __future__ import annotations

import html


class PlainText:
    """For tooltips and message boxes, which Qt turns into rich text where it finds tags.

    Labels have a property for that (``textFormat``); tooltips have none.
    """

    @staticmethod
    def shown(text: str) -> str:
        """A text that Qt shows exactly as ``text`` is, tags included."""
        if "<" not in text and "&" not in text:
            return text
        return "<qt>{}</qt>".format(html.escape(text, quote=False).replace("\n", "<br>"))
