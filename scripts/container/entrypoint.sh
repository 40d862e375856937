#!/bin/bash
# What other images begin with.
exec /usr/bin/oxkeeper container "$@"
