"""All else is in pyproject.toml: a wheel with the binary is for one platform, and for every Python 3."""
import os

from setuptools import Distribution, setup

HAS_BINARY = os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "src", "oxkeeper", "bin", "oxkeeper"))


class WithBinary(Distribution):
    def has_ext_modules(self):
        return HAS_BINARY


setup(distclass=WithBinary, options={"bdist_wheel": {"python_tag": "py3", "py_limited_api": False}})
