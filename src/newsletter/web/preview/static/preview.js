// Follows the changes of the digest without a reload by hand. Without it the page works as well.
"use strict";

(() => {
  const BEAT = 10_000; // the server says something at least so often (milliseconds)
  const POLL = 1_500;
  const state = document.getElementById("state");
  let seen = Number(document.body.dataset.revision);
  let asked = seen;
  let busy = false;
  let heard = 0;
  let polling = 0;
  let scrolled = 0; // where the frame was, also while an error stands in its place

  const say = (kind, words) => {
    state.dataset.state = kind;
    state.textContent = words;
  };

  // ------------------------------------------------------------------ the frame

  const frameNow = () => document.querySelector(".device iframe:not(.coming)");

  // The frame's document is of this origin, but no script runs in it.
  const tend = (frame) => {
    const inner = frame.contentDocument;
    if (!inner || !inner.body) return;
    inner.addEventListener("scroll", () => {
      if (frame === frameNow()) scrolled = frame.contentWindow.scrollY;
    });
    inner.addEventListener("click", (event) => {
      const link = event.target.closest && event.target.closest("a[href], area[href]");
      if (!link || link.getAttribute("href") !== "#nowhere") return;
      event.preventDefault();
      const leads = document.getElementById("leads");
      leads.textContent = `This link leads to ${link.title || "nowhere"}`;
    });
  };

  const fit = () => {
    const device = document.querySelector(".device");
    const frame = frameNow();
    if (!device || !frame) return;
    const room = device.parentElement;
    for (const one of device.children) one.style.transform = "";
    device.style.width = "";
    const wide = frame.offsetWidth;
    const border = device.offsetWidth - device.clientWidth;
    const style = getComputedStyle(room);
    const free =
      room.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - border;
    const scale = Math.min(1, free / wide);
    const note = document.getElementById("scale");
    if (note) note.textContent = scale < 1 ? `, shown at ${Math.round(scale * 100)} %` : "";
    for (const one of device.children) {
      one.style.height = scale < 1 ? `${100 / scale}%` : "";
      one.style.transform = scale < 1 ? `scale(${scale})` : "";
    }
    if (scale < 1) device.style.width = `${wide * scale + border}px`;
  };

  // A second frame loads behind the first one and takes its place: nothing flashes.
  const reloadFrame = (old, source) =>
    new Promise((done) => {
      const next = old.cloneNode(false);
      next.classList.add("coming");
      next.setAttribute("src", source);
      next.addEventListener(
        "load",
        () => {
          next.contentWindow.scrollTo(0, scrolled);
          next.classList.remove("coming");
          old.remove();
          tend(next);
          done();
        },
        { once: true },
      );
      old.after(next);
    });

  const begin = (frame) => {
    if (!frame) return;
    frame.addEventListener(
      "load",
      () => {
        if (scrolled) frame.contentWindow.scrollTo(0, scrolled);
        tend(frame);
      },
      { once: true },
    );
    if (frame.contentDocument && frame.contentDocument.readyState === "complete") tend(frame);
  };

  // ------------------------------------------------------------------ the page

  const replace = (now, next) => {
    if (now.innerHTML === next.innerHTML) return;
    const active = now.contains(document.activeElement) ? document.activeElement : null;
    if (active && active.matches("select, input")) return;
    const mark = active && (active.id ? `#${CSS.escape(active.id)}` : active.getAttribute("href"));
    const kept = [...now.querySelectorAll("[data-keep]")].map((one) => [one.scrollLeft, one.scrollTop]);
    now.replaceChildren(...next.childNodes);
    now.querySelectorAll("[data-keep]").forEach((one, at) => kept[at] && one.scrollTo(...kept[at]));
    if (mark) {
      const again = mark.startsWith("#")
        ? now.querySelector(mark)
        : [...now.querySelectorAll("a")].find((one) => one.getAttribute("href") === mark);
      if (again) again.focus({ preventScroll: true });
    }
  };

  const update = async () => {
    if (busy) return;
    busy = true;
    try {
      while (asked !== seen) {
        const answer = await fetch(location.href, { cache: "no-store" });
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (!answer.ok || !next.body.dataset.revision) throw new Error("no page");
        seen = Number(next.body.dataset.revision);
        if (asked < seen) asked = seen;
        document.title = next.title;
        for (const now of document.querySelectorAll("[data-live]")) {
          const fresh = next.getElementById(now.id);
          if (!fresh) continue;
          const frame = now.id === "view" && frameNow();
          const comes = now.id === "view" && fresh.querySelector("iframe");
          if (frame && comes) await reloadFrame(frame, comes.getAttribute("src"));
          else {
            replace(now, fresh);
            if (comes) begin(frameNow());
          }
        }
        fit();
        const time = new Date().toLocaleTimeString([], { hour12: false });
        const broken = document.querySelector(".problem");
        say(broken ? "broken" : "fresh", broken ? `Error since ${time}` : `Updated ${time}`);
      }
    } catch {
      say("lost", "Not reached: trying again");
      setTimeout(update, POLL);
    } finally {
      busy = false;
    }
  };

  const hear = (revision) => {
    heard = Date.now();
    if (state.dataset.state === "lost" || state.dataset.state === "still") {
      say("fresh", "Follows each save");
    }
    if (revision !== seen) {
      asked = revision;
      update();
    }
  };

  // ------------------------------------------------------------------ news of changes

  const poll = async () => {
    try {
      const answer = await fetch("revision", { cache: "no-store" });
      hear((await answer.json()).revision);
    } catch {
      say("lost", "The preview has ended, or is not reached");
    }
  };

  const pollInstead = () => {
    if (!polling) polling = setInterval(poll, POLL);
  };

  let news = null;
  let over = false;

  const listen = () => {
    if (news || over) return;
    if (!window.EventSource) {
      pollInstead();
      return;
    }
    news = new EventSource("events");
    const take = (event) => {
      clearInterval(polling);
      polling = 0;
      hear(Number(event.data));
    };
    news.addEventListener("revision", take);
    news.addEventListener("beat", take);
    news.addEventListener("error", pollInstead);
    news.addEventListener("end", () => {
      over = true;
      rest();
      say("lost", "The preview has ended");
    });
  };

  // A browser keeps few connections to one host: a page that nobody sees holds none.
  const rest = () => {
    if (news) news.close();
    news = null;
    clearInterval(polling);
    polling = 0;
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  setInterval(() => {
    if (!document.hidden && !over && Date.now() - heard > 3 * BEAT) pollInstead();
  }, BEAT);

  begin(frameNow());
  fit();
  addEventListener("resize", fit);
  for (const wanted of document.querySelectorAll(".wanted")) wanted.scrollIntoView({ block: "center" });
  for (const choice of document.querySelectorAll("#pick select")) {
    choice.addEventListener("change", () => choice.form.requestSubmit());
  }
  if (!document.hidden) listen();
})();
