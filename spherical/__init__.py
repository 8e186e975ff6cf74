"""The whole sphere around a viewer, as six overlapping faces of a cube.

Directions are (x, y, z) = (right, down, forward), of any length. The middle of an equirectangular
picture looks forward. Pixel (0, 0) is the upper left one, and pixels are squares around their
whole-numbered positions.
"""

from brushflow.spherical.cube import FACES, Cube
from brushflow.spherical.overlaps import Overlaps
from brushflow.spherical.panorama import LAYOUTS, Panorama, SphereFrames, default_cube

__all__ = ["FACES", "LAYOUTS", "Cube", "Overlaps", "Panorama", "SphereFrames", "default_cube"]
