// The section Data. Its template is templates/charts/sections/data.html, its contract stands in page.js.

export class Data {
  #page;

  constructor(page) {
    this.#page = page;
  }

  async read(_signal) {}
}
