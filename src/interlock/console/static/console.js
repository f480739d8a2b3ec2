// Times in the reader's zone, and pages that load themselves again when something moved.

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

function localise(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    time.title = time.getAttribute("datetime");
    const shape = time.classList.contains("clock") ? clock : day;
    time.textContent = shape.format(new Date(time.getAttribute("datetime")));
  }
}

/** Whether somebody is in the middle of something that a new page would take away. */
function busy(main) {
  const at = document.activeElement;
  const typed = Array.from(main.querySelectorAll("input, textarea")).some((field) => field.type !== "hidden" && field.value !== field.defaultValue);
  const about = main.querySelector("details.act[open]") !== null || main.contains(at) && at.matches("input, select, textarea, summary");
  return typed || about || getSelection().toString() !== "" || document.getElementById("exact") !== null
    || main.querySelector("[data-revealed]") !== null;
}

let loading = false;
async function refresh() {
  const main = document.querySelector("main[data-refresh]");
  if (!main || loading || busy(main)) return;
  loading = true;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    localise(fresh);
    if (fresh.innerHTML !== main.innerHTML && !busy(main)) main.replaceChildren(...fresh.childNodes);
  } finally {
    loading = false;
  }
}

/** Tell the server when the effect of an open change has been on screen: nobody approves what they have not seen. */
function watchReview() {
  const panel = document.querySelector("[data-review]");
  if (!panel || !("IntersectionObserver" in window)) return;
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    fetch(`/console/changes/${panel.dataset.review}/opened`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
      credentials: "same-origin",
    });
  });
  seen.observe(panel);
}

/** A form that only changes a part of the page puts that part in its place. */
async function replacePart(form) {
  const part = document.getElementById(form.dataset.part);
  const answer = await fetch(form.action, {
    method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin",
  });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = answer.ok ? page.getElementById(part.id) : null;
  if (fresh === null) {
    form.querySelector("[role=status]").textContent = page.querySelector("main .lead")?.textContent ?? "That did not work.";
    return;
  }
  localise(fresh);
  part.replaceWith(fresh);
  fresh.focus();
}

document.addEventListener("submit", (event) => {
  if (event.target.dataset.part === undefined) return;
  event.preventDefault();
  replacePart(event.target);
});

localise(document);
watchReview();
const address = document.body.dataset.live;
if (address && "EventSource" in window) {
  const source = new EventSource(address);
  let first = true;
  source.addEventListener("moved", () => {
    if (first) first = false;
    else refresh();
  });
  source.addEventListener("over", () => {
    source.close();
    const back = document.querySelector("[data-back]")?.dataset.back ?? location.pathname;
    location.assign(`/console/login?to=${encodeURIComponent(back)}`);
  });
}
