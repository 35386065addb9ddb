// The preview reloads itself: the server says when something was saved, the page fetches itself and changes what differs.
// Frames are as tall as their mail, so that the page scrolls as one and stays where it was. Without this file: links.
"use strict";

(() => {
  const live = document.querySelector("[data-live]");
  const say = (words) => {
    if (live && live.textContent !== words) live.textContent = words;
  };

  const fit = (frame) => {
    const mail = frame.contentDocument;
    if (mail && mail.body) {
      mail.documentElement.classList.add("fitted");
      frame.style.height = `${Math.ceil(mail.body.getBoundingClientRect().height)}px`;
    }
  };

  const fitNow = (frame) => {
    const mail = frame.contentDocument;
    if (mail && mail.readyState === "complete" && mail.URL !== "about:blank") fit(frame);
    frame.addEventListener("load", () => fit(frame));
  };

  // The new mail loads out of sight and takes the old one's place when it is there: nothing flickers, nothing jumps.
  const exchange = (old, src) => {
    const fresh = old.cloneNode(false);
    fresh.style.height = old.style.height;
    fresh.classList.add("arriving");
    fresh.setAttribute("aria-hidden", "true");
    fresh.removeAttribute("id");
    fresh.src = src;
    old.dataset.next = src;
    fresh.addEventListener("load", () => {
      if (old.dataset.next !== src) {
        fresh.remove();
        return;
      }
      fit(fresh);
      fresh.id = old.id;
      fresh.classList.remove("arriving");
      fresh.removeAttribute("aria-hidden");
      old.remove();
      fresh.addEventListener("load", () => fit(fresh));
    }, { once: true });
    old.after(fresh);
  };

  let running = false;
  let again = false;
  const refresh = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      do {
        again = false;
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } while (again);
    } finally {
      running = false;
    }
  };

  const show = (next) => {
    const open = document.querySelector("#left-out")?.open;
    const mine = document.querySelectorAll("[data-part], iframe[data-fit]:not(.arriving)");
    const theirs = next.querySelectorAll("[data-part], iframe[data-fit]");
    const names = (list) => [...list].map((one) => one.dataset.part || one.id).join(" ");
    if (names(mine) !== names(theirs)) {
      location.reload();
      return;
    }
    document.title = next.title;
    mine.forEach((part, at) => {
      const other = theirs[at];
      if (part.matches("iframe")) {
        const src = other.getAttribute("src");
        if ((part.dataset.next || part.getAttribute("src")) !== src) exchange(part, src);
      } else if (part.innerHTML !== other.innerHTML) {
        part.replaceChildren(...other.childNodes);
      }
    });
    document.querySelectorAll("figcaption a").forEach((link, at) => {
      const other = next.querySelectorAll("figcaption a")[at];
      if (other) link.setAttribute("href", other.getAttribute("href"));
    });
    const proofs = document.querySelector("[data-proofs]");
    const stale = next.querySelector("[data-proofs]")?.classList.contains("stale") ?? false;
    proofs?.classList.toggle("stale", stale);
    const details = document.querySelector("#left-out");
    if (details && open) details.open = true;
    say(stale ? "Cannot be rendered" : `Updated ${new Date().toLocaleTimeString([], { hour12: false })}`);
  };

  document.querySelectorAll("iframe[data-fit]").forEach(fitNow);
  let wide = innerWidth;
  addEventListener("resize", () => {
    if (wide !== innerWidth) document.querySelectorAll("iframe[data-fit]").forEach(fit);
    wide = innerWidth;
  });

  const events = new EventSource(`/events?seen=${document.body.dataset.seen}`);
  let lost = false;
  events.addEventListener("changed", refresh);
  events.addEventListener("open", () => {
    if (lost) refresh();
    lost = false;
    say("Live");
  });
  events.addEventListener("error", () => {
    lost = true;
    say("The preview has stopped");
  });
  addEventListener("pagehide", () => events.close());
})();
