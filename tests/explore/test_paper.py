"""Tests of the picture on paper."""

from __future__ import annotations

import base64
import io

import pytest
from figures import everything, figure, two_gaussians


@pytest.mark.parametrize("make", [two_gaussians, everything, figure])
def test_png_is_a_picture(make):
    from matplotlib.image import imread

    picture = imread(io.BytesIO(base64.b64decode(make()._repr_mimebundle_()["image/png"])))
    assert picture.shape[1] == 640
    assert picture[..., :3].std() > 0.01
