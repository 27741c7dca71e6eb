#!/usr/bin/env python3
"""Makes one page out of dashboard.html and the styles and scripts that it names.

  make_page.py dashboard.html OUTPUT.cpp

The output is a C++ source with the page and its Content-Security-Policy, which allows the inlined
style and script by their hashes and nothing else.
"""
import base64
import hashlib
import re
import sys
from pathlib import Path

STYLE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">\n')
SCRIPT = re.compile(r'<script type="module" src="([\w.]+)"></script>\n')
DELIMITER = "mcplb_page"

SOURCE = """// Made of src/admin/dashboard by make_page.py.
#include "admin/dashboard.hpp"

namespace mcplb::admin {{

const std::string_view dashboard_page = R"{delimiter}({page}){delimiter}";
const std::string_view dashboard_policy =
    "{policy}";

}}  // namespace mcplb::admin
"""


def inlined(page, pattern, tag, folder):
    """The page with all files of one kind in one block, and what is inside of that block."""
    names = pattern.findall(page)
    if not names:
        sys.exit(f"no {pattern.pattern} in the page")
    content = "\n" + "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    if "</" + tag.split()[0] in content or "<!--" in content:
        sys.exit(f"a {tag} must not hold what ends it")
    name = tag.split()[0]
    block = f"<{tag}>{content}</{name}>\n"
    first = pattern.search(page).start()
    page = pattern.sub("", page)
    return page[:first] + block + page[first:], content


def source_of(content):
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def main():
    html, output = Path(sys.argv[1]), Path(sys.argv[2])
    page = html.read_text(encoding="utf-8")
    page, style = inlined(page, STYLE, "style", html.parent)
    page, script = inlined(page, SCRIPT, 'script type="module"', html.parent)
    policy = "; ".join([
        "default-src 'none'", f"script-src {source_of(script)}", f"style-src {source_of(style)}",
        "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'",
        "frame-ancestors 'none'"])
    if f"){DELIMITER}\"" in page:
        sys.exit("the page holds the end of a C++ literal")
    output.write_text(SOURCE.format(delimiter=DELIMITER, page=page, policy=policy),
                      encoding="utf-8")


if __name__ == "__main__":
    main()
