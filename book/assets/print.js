// A page is printed as the reader left it; this button opens what is folded for one printing.
addEventListener("DOMContentLoaded", () => {
  const article = document.querySelector("article.bd-article");
  if (!article || !article.querySelector("details")) return;
  const place = document.createElement("p"), button = document.createElement("button");
  place.className = "gan-print";
  button.type = "button";
  button.textContent = "Print with all solutions and hidden code";
  button.addEventListener("click", () => {
    const folded = [...article.querySelectorAll("details:not([open])")];
    addEventListener("afterprint", () => { for (const e of folded) e.open = false; }, {once: true});
    for (const e of folded) e.open = true;
    print();
  });
  place.append(button);
  article.append(place);
});
