// Loads the control center; where that fails, the page says so instead of standing still.
import init from "./steward-ui.js";

let theme = null;
try {
  theme = localStorage.getItem("steward-theme");
} catch {
  // A browser that keeps nothing shows the system's colours.
}
document.documentElement.dataset.theme = theme ?? "system";

try {
  await init({ module_or_path: new URL("./steward-ui_bg.wasm", import.meta.url) });
} catch (error) {
  console.error(error);
  const place = document.querySelector("#boot p");
  if (place) {
    place.setAttribute("role", "alert");
    place.textContent =
      "The control center could not be loaded. Check that the agent runs, then reload the page. A browser of 2023 or newer is needed.";
  }
}
