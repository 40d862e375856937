#!/bin/bash
exec /usr/bin/oxkeeper container zkServer.sh start-foreground "$@"
