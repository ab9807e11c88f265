"""Chaos: whole sends in processes of their own, disturbed at random, judged by what arrived."""
