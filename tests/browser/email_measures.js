// What an email looks like once a browser has laid it out: texts with their colours, boxes, order.
// Read-only: nothing here changes the page.

const channels = (colour) => {
  const found = colour.match(/[\d.]+/g).map(Number);
  return { r: found[0], g: found[1], b: found[2], a: found.length > 3 ? found[3] : 1 };
};

const over = (top, below) => ({
  r: top.r * top.a + below.r * (1 - top.a),
  g: top.g * top.a + below.g * (1 - top.a),
  b: top.b * top.a + below.b * (1 - top.a),
  a: 1,
});

// The canvas behind a page without a ground of its own: the browser's, by its colour scheme.
const canvas = () => {
  const probe = document.createElement("div");
  probe.style.backgroundColor = "Canvas";
  document.documentElement.append(probe);
  const colour = channels(getComputedStyle(probe).backgroundColor);
  probe.remove();
  return colour;
};

const groundOf = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    if (colour.a > 0) layers.push(colour);
    if (colour.a === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), canvas());
};

const hidden = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const style = getComputedStyle(at);
    if (style.display === "none" || style.visibility === "hidden") return true;
    if (Number(style.opacity) === 0) return true;
    const box = at.getBoundingClientRect();
    if (style.overflow === "hidden" && (box.height < 2 || box.width < 2)) return true;
  }
  return false;
};

const rgb = (colour) => [colour.r, colour.g, colour.b].map((part) => Math.round(part));

const nameOf = (element) => {
  const mark = element.className ? `.${String(element.className).split(" ")[0]}` : "";
  return `${element.tagName.toLowerCase()}${mark}`;
};

// The footer begins where the email says what it is to its reader: behind the last matter.
const FOOT = 'a[href*="/u/"], a[href*="/p/"]';
const isSource = (element) => element.closest("[id^='source-']") !== null;
const follows = (element, mark) => mark !== null
  && (mark.contains(element)
    || Boolean(mark.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING));
const footer = () => document.querySelector("[data-footer], .footer")
  ?? document.querySelector(FOOT)?.closest("p, td, div") ?? null;

// Every run of text that a reader sees, in reading order; a picture that did not come counts as
// its alternative text.
const texts = () => {
  const found = [];
  const foot = footer();
  const add = (element, words, alternative) => {
    if (!words || hidden(element)) return;
    const style = getComputedStyle(element);
    const ground = groundOf(element);
    found.push({
      words,
      element: nameOf(element),
      inside: [...document.querySelectorAll("pre, code, sup, h1, h2, h3, h4, table:not([role])")]
        .filter((outer) => outer.contains(element)).map((outer) => outer.tagName.toLowerCase()),
      ink: rgb(over(channels(style.color), ground)),
      ground: rgb(ground),
      size: parseFloat(style.fontSize),
      line: style.lineHeight === "normal" ? 0 : parseFloat(style.lineHeight),
      weight: Number(style.fontWeight),
      alternative,
      matter: !isSource(element) && !follows(element, foot)
        && element.closest("sup, pre, code, table:not([role]), figcaption, nav, [role='navigation'], h1, h2, h3, h4, h5, h6") === null,
    });
  };
  const walker = document.createTreeWalker(
    document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      add(node.parentElement, node.data.replace(/[\s\u200b-\u200f\u034f\u00ad\ufeff\u2007]+/g, " ").trim(), false);
    } else if (node.tagName === "IMG" && node.complete && node.naturalWidth === 0) {
      add(node, node.alt.trim(), true);
    }
  }
  return found;
};

// What sticks out at the sides; `width` is what the page needs.
const sideways = () => {
  const room = document.documentElement.clientWidth;
  const sticksOut = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > room + 0.5 || box.left < -0.5);
  };
  const out = [...document.body.querySelectorAll("*")]
    .filter((element) => !hidden(element) && sticksOut(element))
    .filter((element) => ![...element.children].some(sticksOut))
    .map((element) => `${nameOf(element)} ${element.textContent.trim().slice(0, 40)}`);
  const page = document.scrollingElement;
  return { room, width: page.scrollWidth, out: out.slice(0, 8) };
};

const headings = () => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
  .map((heading) => ({ level: Number(heading.tagName[1]), words: heading.textContent.trim() }));

const rowOf = (link) => {
  let row = link;
  for (let at = link; at && at.tagName !== "TABLE" && at !== document.body; at = at.parentElement) {
    if (at.querySelectorAll("a[href]").length > 1) break;
    row = at;
  }
  return row;
};

// How tall the box is that a thumb meets: the link's own, or its row's where it is alone in it.
const links = (foot = footer()) => [...document.querySelectorAll("a[href]")]
  .filter((link) => !hidden(link))
  .map((link) => {
    const own = link.getBoundingClientRect();
    const row = rowOf(link).getBoundingClientRect();
    return {
      href: link.getAttribute("href"),
      words: link.textContent.trim(),
      name: (link.getAttribute("aria-label") || link.textContent
        || link.querySelector("img")?.alt || "").trim(),
      citation: link.closest("sup") !== null,
      source: isSource(link),
      footer: follows(link, foot),
      height: own.height,
      row: row.height,
      leads: !link.getAttribute("href").startsWith("#")
        || document.getElementById(link.getAttribute("href").slice(1)) !== null,
    };
  });

const sources = () => [...document.querySelectorAll("[id^='source-']")].map((row) => ({
  id: row.id,
  href: row.querySelector("a[href]:not([href^='#'])")?.getAttribute("href") ?? null,
}));

const pictures = () => [...document.images].map((image) => {
  const box = image.getBoundingClientRect();
  return {
    src: image.getAttribute("src"), alt: image.getAttribute("alt"),
    width: image.getAttribute("width"), height: image.getAttribute("height"),
    box: [box.width, box.height],
  };
});

const tables = () => [...document.querySelectorAll("table")].map((table) => ({
  role: table.getAttribute("role"),
  headed: table.querySelector("th") !== null,
  words: table.textContent.trim().slice(0, 40),
}));

const page = () => ({
  lang: document.documentElement.lang,
  dir: document.documentElement.dir,
  title: document.title,
  forbidden: [...document.querySelectorAll("script, form, iframe, link, object, embed, base")]
    .map(nameOf),
});

// How wide the column of words and pictures is, from its leftmost box to its rightmost.
const column = () => {
  const boxes = [...document.querySelectorAll("p, h1, h2, h3, h4, li, pre, img, table:not([role])")]
    .filter((element) => !hidden(element))
    .map((element) => element.getBoundingClientRect());
  return Math.max(...boxes.map((box) => box.right)) - Math.min(...boxes.map((box) => box.left));
};

const everything = () => ({
  texts: texts(), sideways: sideways(), headings: headings(), links: links(), sources: sources(),
  pictures: pictures(), tables: tables(), page: page(), column: column(),
});
