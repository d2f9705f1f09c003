"use strict";

const data = JSON.parse(document.getElementById("values").textContent);
const dialog = document.querySelector("dialog");
const jpeg = number => `data:image/jpeg;base64,${data.images[number]}`;

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The pictures behind a cell of the confusion matrix

function card(picture) {
  const [[answer, probability], ...others] = picture.top;
  const image = element("img");
  image.src = jpeg(picture.image);
  image.alt = `Picture ${picture.path}`;
  const line = element("p");
  line.append(element("b", data.classes[answer]), ` ${probability}`);
  if (picture.known === false) line.append(" ", element("span", "unknown", "unknown"));
  const shown = element("li", "", "card");
  shown.append(image, line, element("p", picture.path, "path"));
  if (others.length) {
    const text = others.map(([label, share]) => `${data.classes[label]} ${share}`).join(", ");
    shown.append(element("p", `then ${text}`, "quiet"));
  }
  return shown;
}

function showPictures(truth, answer, count) {
  const found = data.pictures.filter(picture => picture.truth === truth && picture.top[0][0] === answer);
  const [is, called] = [data.classes[truth], data.classes[answer]];
  document.getElementById("shown-title").textContent = truth === answer ? `${is}, found` : `${is}, taken for ${called}`;
  document.getElementById("shown-count").textContent =
    found.length < count ? `${found.length} of ${count} pictures` : `${count} ${count === 1 ? "picture" : "pictures"}`;
  document.getElementById("shown").replaceChildren(...found.map(card));
  dialog.showModal();
  dialog.scrollTop = 0;
}

// Sorting by a column

function value(row, column) {
  const cell = row.cells[column];
  return column === 0 ? cell.textContent : "value" in cell.dataset ? Number(cell.dataset.value) : null;
}

function sortBy(heading) {
  const column = heading.cellIndex;
  const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const body = heading.closest("table").tBodies[0];
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one, column), value(other, column)];
    if (a === null || b === null) return (a === null) - (b === null); // what has no value stays last
    return direction * (column === 0 ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  });
  for (const each of heading.parentElement.cells) each.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  body.append(...rows);
}

// Tables that are wider than the page

function showMore(scroll) {
  const hidden = scroll.scrollWidth - scroll.clientWidth;
  scroll.parentElement.classList.toggle("overflows", hidden > 1);
  scroll.parentElement.classList.toggle("more", hidden - scroll.scrollLeft > 1);
}

const watcher = new ResizeObserver(entries => entries.forEach(entry => showMore(entry.target)));
for (const scroll of document.querySelectorAll(".scroll")) {
  watcher.observe(scroll);
  scroll.addEventListener("scroll", () => showMore(scroll), { passive: true });
}

// Commands

async function copy(button) {
  const code = button.previousElementSibling;
  getSelection().selectAllChildren(code);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch { // a browser that does not allow it
    button.textContent = "Press Ctrl+C";
  }
}

for (const image of document.querySelectorAll("img[data-image]")) image.src = jpeg(image.dataset.image);

document.addEventListener("click", event => {
  const button = event.target.closest("button");
  const heading = button?.closest("th[aria-sort]");
  if (heading) sortBy(heading);
  else if (button?.className === "copy") copy(button);
  else if (button?.dataset.truth) {
    const { truth, answer, count } = button.dataset;
    showPictures(Number(truth), Number(answer), Number(count));
  } else if (event.target === dialog) dialog.close(); // a click beside it
});
