// Markdown as safe HTML: what a model or a document says is never trusted.

import DOMPurify from "dompurify";
import { marked } from "marked";

const TAGS = "p br strong em del code pre blockquote ul ol li h1 h2 h3 h4 hr a table thead tbody tr th td".split(" ");

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
});

// No pictures: their addresses could carry off what was said.
export function shown(text: string): DocumentFragment {
  const html = marked.parse(text, { async: false, gfm: true, breaks: false });
  return DOMPurify.sanitize(html, { ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ["href"], RETURN_DOM_FRAGMENT: true });
}

// [1] becomes a link to the source of that number.
export function cited(fragment: DocumentFragment, count: number, open: (number: number) => void): void {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) texts.push(walker.currentNode as Text);
  for (const text of texts) {
    if (text.parentElement?.closest("code, pre, a")) continue;
    const pieces = text.data.split(/\[(\d)\]/);
    if (pieces.length === 1) continue;
    text.replaceWith(
      ...pieces.map((piece, index) => {
        const number = Number(piece);
        if (index % 2 === 0) return piece;
        if (number < 1 || number > count) return `[${piece}]`;
        const button = document.createElement("button");
        button.className = "cite";
        button.textContent = piece;
        button.addEventListener("click", () => open(number));
        return button;
      }),
    );
  }
}
