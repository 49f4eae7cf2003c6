"""Text that stands in other languages."""

import json
import re


def markdown(text: object) -> str:
    """A text as Markdown that shows it as it is: no table cell, link, emphasis or HTML begins in it."""
    return re.sub(r'([\\`*\[\]<>|&~$])', r'\\\1', str(text))


def yaml(value: object) -> str:
    """A text, a number, or a list of such as YAML. JSON is YAML but for characters beyond U+FFFF, which JSON escapes
    as two."""
    as_it_is = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if max(as_it_is) <= '\uffff' else as_it_is
