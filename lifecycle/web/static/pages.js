// Everything can be read without this. It keeps a page up to date, moves the slider without a
// reload, and applies a filter once it is chosen.
"use strict";

const main = () => document.querySelector("main");
let asked = 0;

async function show(address) {
  const mine = ++asked;
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (!answer.ok || mine !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = document.adoptNode(page.querySelector("main"));
  const images = [...fresh.querySelectorAll("img")];
  await Promise.all(images.map((image) => image.decode().catch(() => null)));
  if (mine !== asked) return;
  keepState(main(), fresh);
  document.title = page.title;
}

function keepState(old, fresh) {
  const open = [...old.querySelectorAll("details[open][id]")].map((each) => each.id);
  const focused = document.activeElement && document.activeElement.id;
  for (const id of open) fresh.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  old.replaceWith(fresh);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  prepare();
}

const isBusy = () =>
  [...main().querySelectorAll("form[method=post] input:not([type=hidden])")].some(
    (field) => field.value !== field.defaultValue || field === document.activeElement,
  );

let waiting = null;
function refresh() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (isBusy()) refresh();
    else show(location.href).catch(() => null);
  }, 120);
}

let source = null;
function listen() {
  const address = main().dataset.events || "";
  const about = address.replace(/[?&]seen=\d+/, "");
  if (source && source.about === about) return;
  if (source) source.close();
  source = address ? new EventSource(address) : null;
  if (!source) return;
  source.about = about;
  source.addEventListener("change", refresh);
}

function move(slider) {
  const address = new URL(location.href);
  if (slider.value === slider.max) address.searchParams.delete("version");
  else address.searchParams.set("version", slider.value);
  history.replaceState(null, "", address);
  show(address.href).catch(() => null);
}

function prepare() {
  for (const slider of main().querySelectorAll("input[type=range]")) {
    slider.addEventListener("input", () => move(slider));
    slider.form.querySelector("button").hidden = true;
  }
  for (const field of main().querySelectorAll("form[data-at-once] :is(select, input)"))
    field.addEventListener("change", () => field.form.requestSubmit());
  listen();
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  document.getElementById("find").focus();
});
prepare();
