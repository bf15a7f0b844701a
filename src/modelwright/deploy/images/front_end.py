"""What nginx is told: a front end of one page, whose assets never change."""

from __future__ import annotations

WEB = "/srv/web"
CONFIG = "/etc/nginx/modelwright.conf"
STOP = "SIGQUIT"
"""nginx then answers what it has begun."""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_lines(port: int) -> tuple[str, ...]:
    """Everything that is written goes below /tmp: it runs without root."""
    return (
        "worker_processes auto;",
        "pid /tmp/nginx.pid;",
        "error_log /dev/stderr warn;",
        "events { worker_connections 1024; }",
        "http {",
        "    include /etc/nginx/mime.types;",
        "    default_type application/octet-stream;",
        "    access_log off;",
        "    server_tokens off;",
        "    sendfile on;",
        "    gzip on;",
        "    gzip_vary on;",
        "    gzip_types text/css application/javascript text/javascript application/json image/svg+xml;",
        *(f"    {name}_temp_path /tmp/nginx-{name};" for name in _TEMPORARY),
        "    server {",
        f"        listen {port};",
        f"        root {WEB};",
        "        add_header X-Content-Type-Options nosniff;",
        "        # Names of these files change with what is in them.",
        "        location ~ ^/(assets|static)/ {",
        "            try_files $uri =404;",
        '            add_header Cache-Control "public, max-age=31536000, immutable";',
        "            add_header X-Content-Type-Options nosniff;",
        "        }",
        "        # Every other path is a page of the front end, which routes by itself.",
        "        location / {",
        "            try_files $uri /index.html;",
        "            add_header Cache-Control no-cache;",
        "            add_header X-Content-Type-Options nosniff;",
        "        }",
        "    }",
        "}",
    )


def web_health(port: int, path: str) -> tuple[str, ...]:
    """By the shell alone: the image has nothing else that could ask."""
    asked = f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3"
    return ("bash", "-c", f"{asked} && read -r line <&3 && [[ $line == *' 200 '* ]]")
