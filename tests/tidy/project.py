"""What the checks share: finding files, blanking comments or literals, reporting."""
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CPP = {".cpp", ".hpp", ".def"}
# Directories with code that is not ours, or that a tool wrote.
FOREIGN = {"node_modules", "__pycache__", ".venv"}

# Numbers come before quotes, because ' also separates digits.
_TOKENS = re.compile(
    r"""(?P<number>(?<![\w.])\.?\d(?:'?[\w.])*)
      | (?P<comment>//(?:\\\n|[^\n])* | /\*.*?(?:\*/|\Z))
      | (?P<literal>(?:u8|[uUL])?R"(?P<delimiter>[^()\\\s"]{0,16})\(.*?\)(?P=delimiter)"
                  | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL,
)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)


class Finding(NamedTuple):
    path: str
    line: int
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


def files(root, folders, suffixes):
    """Yields (path relative to root, text) of all files below the folders, sorted."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix in suffixes and path.is_file() and not FOREIGN & set(relative.parts):
                yield relative.as_posix(), path.read_text(encoding="utf-8", errors="replace")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def blank(text):
    """Spaces instead of every character, so that lines and columns stay where they were."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    return _TOKENS.sub(lambda m: blank(m[0]) if m["comment"] else m[0], text)


def only_code(text):
    """Blanks comments, preprocessor lines and the inside of literals; the quotes stay."""

    def replace(match):
        if match["comment"]:
            return blank(match[0])
        if match["literal"]:
            return match[0][0] + blank(match[0][1:-1]) + match[0][-1]
        return match[0]

    return _DIRECTIVE.sub(lambda m: blank(m[0]), _TOKENS.sub(replace, text))


def only_comments(text):
    kept = []
    end = 0
    for match in _TOKENS.finditer(text):
        if match["comment"]:
            kept += [blank(text[end : match.start()]), match[0]]
            end = match.end()
    return "".join(kept) + blank(text[end:])


def raw_literal_lines(text):
    """Numbers of the lines that lie inside a raw string, where layout is content."""
    lines = set()
    for match in _TOKENS.finditer(text):
        if match["delimiter"] is not None:
            lines.update(range(line_of(text, match.start()), line_of(text, match.end()) + 1))
    return lines


def main(check):
    """Runs a check on the project: prints its findings, exits 1 if there are any."""
    findings = sorted(check(ROOT))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
