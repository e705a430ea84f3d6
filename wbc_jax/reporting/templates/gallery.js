// Sorts and filters the cards of gallery.html. The page is complete without it.
(() => {
  "use strict";
  const form = document.getElementById("controls");
  const list = document.getElementById("cards");
  const shown = document.getElementById("shown");
  const cards = [...list.children];
  const place = (a, b) => a.dataset.place - b.dataset.place;
  const orders = {
    place,
    rising: (a, b) => a.dataset.confidence - b.dataset.confidence || place(a, b),
    falling: (a, b) => b.dataset.confidence - a.dataset.confidence || place(a, b),
    answer: (a, b) => a.dataset.answer.localeCompare(b.dataset.answer)
      || a.dataset.probable.localeCompare(b.dataset.probable) || place(a, b),
  };

  function percent(name, otherwise) {
    const value = form.elements[name].valueAsNumber;
    return Number.isNaN(value) ? otherwise : value;
  }

  function update() {
    const answer = form.elements.answer.value;
    const least = percent("least", 0);
    const most = percent("most", 100);
    let count = 0;
    for (const card of cards) {
      const confidence = Math.round(1000 * card.dataset.confidence) / 10;  // as the card says
      const fits = (answer === "" || card.dataset.answer === answer)
        && confidence >= least && confidence <= most;
      card.hidden = !fits;
      count += fits;
    }
    list.append(...cards.sort(orders[form.elements.order.value]));
    shown.textContent = `${count} of ${cards.length} cells shown`;
  }

  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  form.hidden = false;
  update();
})();
