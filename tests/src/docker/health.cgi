#!/bin/sh
# The health page of a test's HTTP server.
[ ! -e /ctl/slow ] || sleep "$(cat /ctl/slow)"
if [ -e /ctl/sick ]; then
  printf 'Status: 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nsick: %s\n' "$(cat /ctl/sick)"
else
  printf 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nok\n'
fi
