// The section Sales. Its template is templates/charts/sections/sales.html, its contract stands in page.js.

export class Sales {
  #page;

  constructor(page) {
    this.#page = page;
  }

  async read(_signal) {}
}
