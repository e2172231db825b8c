// The map of the United States, a file of its own that is loaded when it is first shown: states as the paths of SVG, and
// the projection that these were drawn with, which places Alaska and Hawaii beneath.

import { geoAlbersUsa, geoPath } from "d3-geo";
import { feature } from "topojson-client";
import topology from "us-atlas/states-albers-10m.json" with { type: "json" };

/** The map is so large. */
export const WIDTH = 975;
export const HEIGHT = 610;

const path = geoPath().digits(1);

/** [{name, path}] of the fifty states and the District of Columbia. */
export const states = feature(topology, topology.objects.states)
  .features.map((state) => ({ name: state.properties.name, path: path(state) }))
  .filter(({ path }) => path);

const albers = geoAlbersUsa().scale(1300).translate([487.5, 305]);
/** Where a place is on the map, [x, y]; null when it is not on it. */
export const project = (longitude, latitude) => albers([longitude, latitude]);
