// The section Pipeline. Its template is templates/charts/sections/pipeline.html, its contract stands in page.js.

export class Pipeline {
  #page;

  constructor(page) {
    this.#page = page;
  }

  async read(_signal) {}
}
