// The theme lets a table that is wider than the page scroll; so the keyboard can scroll it too.
const reachable = () => {
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    table.tabIndex = 0;
  }
};
reachable();
new MutationObserver(reachable).observe(document.body, { childList: true, subtree: true });
