"""The processes that run models, whose number and versions change while a site runs."""
