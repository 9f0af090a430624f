"use strict";
(() => {
  const form = document.querySelector("form.drop");
  if (form) {
    const input = form.querySelector("input[type=file]");
    const tooLarge = document.getElementById("too-large");
    const fits = () => {
      const file = input.files[0];
      tooLarge.hidden = !file || file.size <= Number(form.dataset.mostBytes);
      if (!tooLarge.hidden) tooLarge.focus();
      return tooLarge.hidden;
    };
    input.addEventListener("change", fits);
    form.addEventListener("submit", (event) => { if (!fits()) event.preventDefault(); });
    document.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
    document.addEventListener("dragleave", () => form.classList.remove("over"));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      form.classList.remove("over");
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      if (fits()) form.requestSubmit();
    });
  }
  const chart = document.querySelector(".days-chart");
  const day = document.getElementById("first_on");
  if (!chart || !day) return;
  const data = chart.dataset;
  // A date as its days, a session as its number.
  const dated = data.first.includes("-");
  const number = (text) => (text && dated ? Date.parse(text) / 86400000 : parseFloat(text));
  const text = (at) => (dated ? new Date(at * 86400000).toISOString().slice(0, 10) : String(at));
  const from = number(data.first), until = number(data.last);
  const left = Number(data.left), right = chart.viewBox.baseVal.width - Number(data.right);
  const mark = chart.querySelector(".mark");
  const draw = () => {
    const at = number(day.value);
    const x = at >= from && at <= until ? left + (right - left) * (at - from) / (until - from || 1) : -9;
    mark.setAttribute("d", mark.getAttribute("d").replace(/^M\S+/, "M" + x.toFixed(1)));
  };
  chart.classList.add("live");
  document.querySelector(".by-pointer").hidden = false;
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
    const share = Math.min(Math.max((x - left) / (right - left), 0), 1);
    day.value = text(from + Math.round(share * (until - from)));
    document.getElementById("way-first").checked = true;
    draw();
  });
  day.addEventListener("input", draw);
})();
