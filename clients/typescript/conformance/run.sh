#!/bin/sh
exec node "$(dirname "$0")/project/out/conformance/conformance.js"
